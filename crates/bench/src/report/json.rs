//! Everything, for machines: every run, whatever the machine did meanwhile.

use serde_json::{Value, json};

use super::About;
use crate::run::{Results, Sample};

/// Of one run's memory.
const MOMENTS_MAX: usize = 200;

pub(super) fn report(about: &About, all: &[Results]) -> Value {
    json!({
        "commit": about.commit,
        "ketch": about.ketch,
        "peer": about.peer,
        "placement": about.placement,
        "kind": about.kind,
        "scale": format!("{:?}", about.scale),
        "machine": about.machine,
        "bounds": about.bounds,
        "minutes": about.minutes,
        "bars": super::bars::json(&about.scale, all),
        "not_run": crate::cells::NOT_RUN,
        "cells": all.iter().map(cell).collect::<Vec<_>>(),
    })
}

fn cell(results: &Results) -> Value {
    let samples = |samples: &Vec<Sample>| samples.iter().map(sample).collect::<Vec<_>>();
    let by_program = results.samples.iter().map(|(program, all)| (*program, samples(all)));
    json!({
        "id": results.cell.id,
        "title": results.cell.title,
        "samples": by_program.collect::<std::collections::BTreeMap<_, _>>(),
        "failures": results.failures,
        "limits": results.limits,
    })
}

fn sample(sample: &Sample) -> Value {
    json!({
        "figures": sample.figures,
        "seconds": sample.seconds,
        "pair": sample.pair,
        "machine": sample.before.json(&sample.after),
        "unsteady": sample.moved(),
        "memory_mib": thinned(&sample.memory),
    })
}

/// Seconds and MiB, not more of them than a picture shows.
fn thinned(memory: &[(f64, f64)]) -> String {
    let step = memory.len() / MOMENTS_MAX + 1;
    let moments = memory.iter().step_by(step).map(|(s, mib)| format!("{s:.1} {mib:.1}"));
    moments.collect::<Vec<_>>().join(", ")
}
