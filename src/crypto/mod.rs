//! The only place that names a cryptographic backend.
