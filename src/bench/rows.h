// From cells to their rows: measured in children, held against the machine's limits and against each other.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"

namespace longhaul {

// Cells that are held against each other (one bench, one case) together, in order of their first.
std::vector<std::vector<Json>> grouped(const std::vector<Json>& cells);

// Appends a row for each cell of a group: the cell's keys, what a process of its own measured, and, from the rows before it,
// ratio_to and percent_of_bound. A cell that fails gives a row with `error`.
void add_measured(const std::vector<Json>& group, std::vector<Json>& rows);

// The child's side (bench/turns.h): measures one cell, given as JSON text, in this process and returns its keys.
Json measure_here(const std::string& cell);

}  // namespace longhaul
