// The flags of sampling, the same for every command that generates.
#pragma once
#include <CLI/CLI.hpp>

#include "engine/sampler.h"

namespace longhaul {

void add_sampler_flags(CLI::App& app, SamplerOptions& sampler);  // the defaults shown are those that are set

}  // namespace longhaul
