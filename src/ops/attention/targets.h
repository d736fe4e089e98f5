// Which instruction sets the vector code is compiled for. Included before anything of Highway.
// Scalable vectors are left out: the kernels keep arrays of vectors in registers.
#pragma once
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
