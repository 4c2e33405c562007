//! The plugin host over real libraries: the built-in terms, one in C, and ones that break every rule. It needs no torch.

#[path = "plugins/builtin.rs"]
mod builtin;
#[path = "plugins/c_plugin.rs"]
mod c_plugin;
#[path = "plugins/goldens.rs"]
mod goldens;
#[path = "plugins/loading.rs"]
mod loading;
#[path = "plugins/misbehaving.rs"]
mod misbehaving;
#[path = "plugins/operations.rs"]
mod operations;
#[path = "plugins/parameters.rs"]
mod parameters;
#[path = "plugins/support.rs"]
mod support;
#[path = "plugins/timing.rs"]
mod timing;
