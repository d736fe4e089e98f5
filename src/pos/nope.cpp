// NoPE: no positional encoding; the causal mask alone tells positions apart (Kazemnejad et al. 2023, arXiv 2305.19466).
#include "pos/encoding.h"

namespace longhaul {

LH_REGISTER(Encodings, "nope", "no positional encoding: the causal mask alone",
            [](Spec&, const EncodingContext&) { return std::make_unique<Encoding>(); });

}  // namespace longhaul
