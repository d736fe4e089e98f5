// Types of packed weights (packed_matrix.h).
#pragma once

namespace longhaul {

// What the numbers of a packed weight are stored as; products sum in f32 always.
//   f32   as they are
//   bf16  rounded to the nearest, half to even
//   int8  scale * q with q in [-127, 127]: for every kScaleGroup numbers of a row one f32 scale, their largest magnitude / 127
enum class WeightType { f32, bf16, int8 };
const char* name_of(WeightType type);  // "bf16"

}  // namespace longhaul
