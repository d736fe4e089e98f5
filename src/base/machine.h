// What a result file says about where it came from.
#pragma once
#include <cstdint>
#include <string>

#include "base/json.h"

namespace longhaul {

int available_cores();          // size of the affinity mask, not of the machine
std::string cpu_name();         // "AMD EPYC 9654"
int64_t physical_memory();      // bytes
int64_t resident_bytes();       // of this process, now
int64_t peak_resident_bytes();  // getrusage
Json machine_json();            // {host, cpu, cores, memory_bytes, os, simd}
Json build_json();              // {version, commit, compiler, flags, build_type}

}  // namespace longhaul
