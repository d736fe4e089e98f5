// NoPE: no positional encoding; the causal mask alone tells positions apart (Kazemnejad et al. 2023, arXiv 2305.19466).
#include "pos/encoding.h"

namespace longhaul {

namespace {

struct Nope : Encoding {
  Traits traits() const override {
    Traits traits;
    traits.reads_positions = false;
    return traits;
  }
};

}  // namespace

LH_REGISTER(Encodings, "nope", "no positional encoding: the causal mask alone",
            [](Spec&, const EncodingContext&) { return std::make_unique<Nope>(); });

}  // namespace longhaul
