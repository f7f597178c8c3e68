//! Scenarios, benchmarks, results and reports
