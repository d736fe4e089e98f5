// One cell of a bench in a process of its own.
#pragma once
#include "base/json.h"

namespace longhaul {

// Runs this very program as `longhaul bench cell <json>` and returns the row it prints; its messages go to our stderr.
// A child that fails gives {error: "..."}: that is a result too.
Json run_cell_in_child(const Json& cell);

}  // namespace longhaul
