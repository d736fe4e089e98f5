// From a cell to its row: measured in a child, held against the machine's limits and against the rows before it.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"

namespace longhaul {

// The cell's keys, what a process of its own measured, and, from the `earlier` rows of the run, ratio_to and percent_of_bound.
// A cell that fails gives a row with `error`.
Json measured_row(const Json& cell, const std::vector<Json>& earlier);

// The child's side (bench/process.h): measures one cell, given as JSON text, in this process and returns its keys.
Json measure_here(const std::string& cell);

}  // namespace longhaul
