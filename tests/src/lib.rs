//! Scenario harness shared by the integration tests.
