// Ops register themselves, one registration a folder, so that `longhaul list ops` tells which path each of them takes.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "base/registry.h"

namespace longhaul {

// What runs, in words. "own kernel" is code of this folder; a GPU has none before it ran on one and passed the op's test there.
struct OpPaths {
  std::string cpu, gpu;
};

inline constexpr char kAtenComposition[] = "composition of ATen ops";

using OpFactory = std::function<OpPaths()>;
Registry<OpFactory>& Ops();

// "AVX2": the instruction set that Highway's dispatch takes on this CPU of those that a file is compiled for (its HWY_TARGETS).
std::string vector_target(int64_t compiled);

}  // namespace longhaul
