//! Client-facing: gRPC services and HTTP endpoints over ports that the server implements.
