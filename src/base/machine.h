// What a result file says about where it came from.
#pragma once
#include <cstdint>
#include <string>

#include "base/json.h"

namespace longhaul {

int available_cores();      // size of the affinity mask, not of the machine
std::string cpu_name();     // "AMD EPYC 9654 (family 25, model 17)"
int64_t physical_memory();  // bytes
// Bytes that new data can have without swapping (physical_memory() where the system does not tell), within what the container or
// the job may use.
int64_t available_memory();
int64_t resident_bytes();       // of this process, now
int64_t peak_resident_bytes();  // getrusage
std::string utc_now();          // "2025-01-31T12:00:00.000000Z": sorts as text, and tells two runs of one machine apart
Json machine_json();            // {host, cpu, cores, memory_bytes, os, simd}
Json build_json();              // {version, commit, compiler, flags, build_type}

}  // namespace longhaul
