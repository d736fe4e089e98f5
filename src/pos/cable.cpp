// CABLE (arXiv 2503.08067 v3, eq. 2, 6, 7): B_ij = g_i (S_i - S_j), S the running sum of -a_t, a_t = ReLU(W_h x_t + b_h),
// g_i = softplus(W_s x_i + b_s). The other rows are the authors' other codes, named as in specs/cable.md section 0.
#include "pos/cable_family.h"

namespace longhaul {

namespace {

using Scale = CableVariant::Scale;

const std::vector<CableVariant> kVariants = {
    {"paper", true, true, false, Scale::head},  // cable6
    {"nw", false, false, false, Scale::head},  // CABLE_NW; equals the Forgetting Transformer's decay (arXiv 2503.02130)
    {"5", false, false, true, Scale::head},    // unpublished ablations: block means of S
    {"7", true, true, true, Scale::head},
    {"v1a", false, false, false, Scale::model},  // first upload: 1/sqrt(width) instead of 1/sqrt(head size)
    {"v1b", false, false, false, Scale::none},   // first release: no scaling of q.k at all
};

}  // namespace

LH_REGISTER(Encodings, "cable", "context-aware bias, rank 1: variant=paper|nw|5|7|v1a|v1b",
            [](Spec& spec, const EncodingContext& context) { return make_cable(spec, kVariants, false, context); });

}  // namespace longhaul
