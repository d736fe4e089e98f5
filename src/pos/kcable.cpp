// K-CABLE (arXiv 2503.08067 v3, section 5.3): CABLE with the kernel -ln(1 + u^2) on the difference of sums.
#include "pos/cable_family.h"

namespace longhaul {

namespace {

using Scale = CableVariant::Scale;

const std::vector<CableVariant> kVariants = {
    {"paper", true, true, false, Scale::head},                  // kcable6
    {"nw", false, false, false, Scale::head},                   // kcable
    {"5", false, false, true, Scale::head},                     // kcable5
    {"dape-upstream", false, false, false, Scale::head, true},  // +ln(1 + u^2): what the released DAPE class stands on
};

}  // namespace

LH_REGISTER(Encodings, "kcable", "context-aware bias through a log kernel: variant=paper|nw|5|dape-upstream",
            [](Spec& spec, const EncodingContext& context) { return make_cable(spec, kVariants, true, context); });

}  // namespace longhaul
