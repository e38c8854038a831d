//! The twin: ECS components, plugins and the SimTick schedule
