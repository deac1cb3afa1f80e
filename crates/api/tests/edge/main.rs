//! The edge from outside: real connections over loopback or in memory, a fake server behind it.

mod audit;
mod connections;
mod counts;
mod fake;
mod leases;
mod link;
mod overload;
mod pages;
mod ranges;
mod raw;
mod recipes;
mod refusals;
mod services;
mod turnstile;
mod watches;
