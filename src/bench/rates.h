// What this machine can do at most, measured in a moment: for estimates. `longhaul bench gemm` and `memory` are the
// careful ones.
#pragma once

namespace longhaul {

struct MachineRates {
  double flops = 0;  // of f32 matrix products, in a second
  double bytes = 0;  // read from memory, in a second
};
MachineRates measure_rates();  // on as many threads as the program uses

}  // namespace longhaul
