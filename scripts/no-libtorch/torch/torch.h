// The C++ compiler looks here last (.cargo/config.toml), so it finds this header only where libtorch has none.
// A missing file ends the compilation at once; `#error` would be followed by a thousand others.
#include "there is no libtorch here: run `make libtorch`"
