// Cells that are held against each other are measured in turns: each in a process of its own, all there at once, and one call
// at a time goes round. What else the machine does in these minutes then falls on all of them alike.
#pragma once
#include <vector>

#include "base/json.h"

namespace longhaul {

// Runs this very program as `longhaul bench cell JSON` for each cell and returns the rows that they print, in the cells' order;
// their messages go to our stderr. A child that fails gives {error: "..."}: that is a result too.
std::vector<Json> measure_in_turns(const std::vector<Json>& cells);

// The child's side. take_turns() says that this process is such a child; from then on wait_for_turn() asks for the next turn and
// returns when it has come. In any other process it returns at once.
void take_turns();
void wait_for_turn();

}  // namespace longhaul
