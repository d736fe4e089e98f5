// The plan of the method log-n, for configs that ask for it (CLEX's log_scale).
#pragma once
#include <cstdint>

#include "methods/length_plan.h"

namespace longhaul {

// Logits times ln n / ln trained_length: n the query's place counted from 1, or the text's length.
LengthPlan log_n_plan(int64_t trained_length, bool by_text, bool clamp);

}  // namespace longhaul
