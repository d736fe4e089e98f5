// What a length method asks of a model: values only, a closed set, put in force by encoding_under() (methods/method.h). Nothing
// of the model is changed.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "pos/rope_policy.h"

namespace longhaul {

// Pairs of a query i and a key j no nearer than `window` stand elsewhere than where they are, or are not seen at all.
struct FarPairs {
  using Position = std::function<double(double)>;
  int64_t window = 0;       // i - j < window: near, as ever
  int64_t first_keys = 0;   // of the far keys, only j < first_keys are seen; 0: all
  Position query{}, key{};  // where i and j stand in a far pair; an empty one: where they are
};

struct LengthPlan {
  std::optional<Rope> rope;     // in place of the model's
  std::optional<FarPairs> far;  // none: every pair as ever
  // Multiplies the logits of the query at `position` (from 0) of a text of `length` tokens; empty: nothing does.
  std::function<double(double position, int64_t length)> logit_scale;
  bool scales_by_length = false;    // logit_scale looks at the length
  std::vector<EncodingFact> facts;  // what is in force beside the rope
};

}  // namespace longhaul
