#include "ops/op.h"

#include <hwy/targets.h>

namespace longhaul {

Registry<OpFactory>& Ops() {
  static Registry<OpFactory> registry("op");
  return registry;
}

std::string vector_target(int64_t compiled) {
  const int64_t usable = hwy::SupportedTargets() & compiled;
  return hwy::TargetName(usable & -usable);  // a better set has a lower bit
}

}  // namespace longhaul
