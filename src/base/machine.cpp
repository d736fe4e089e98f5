#include "base/machine.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <functional>
#include <map>
#include <string>

#include "base/cgroup.h"
#include "base/error.h"
#include "base/strings.h"
#include "version.h"

namespace longhaul {

int available_cores() {
  // The kernel refuses a set smaller than its own: grow until it fits (machines with more than 1,024 processors).
  for (int processors = 1024; processors <= 1 << 20; processors *= 2) {
    cpu_set_t* set = CPU_ALLOC(processors);
    size_t bytes = CPU_ALLOC_SIZE(processors);
    int count = sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (count > 0) return count;
  }
  return std::max(1, static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
}

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  std::map<std::string, std::string, std::less<>> first;  // of the first processor
  for (std::string line; std::getline(info, line) && !trim(line).empty();) {
    const size_t colon = line.find(':');
    if (colon != std::string::npos) first.emplace(trim(line.substr(0, colon)), trim(line.substr(colon + 1)));
  }
  const std::string name = first.contains("model name") ? first["model name"] : "unknown";
  // A virtual machine may call all generations of a maker's processors the same.
  if (!first.contains("cpu family") || !first.contains("model")) return name;
  return str(name, " (family ", first["cpu family"], ", model ", first["model"], ")");
}

int64_t physical_memory() { return int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE); }

namespace {

int64_t available_on_machine() {
  std::ifstream info("/proc/meminfo");
  for (std::string name, unit; info >> name;) {
    int64_t kilobytes = 0;
    info >> kilobytes;
    std::getline(info, unit);
    if (name == "MemAvailable:") return kilobytes * 1024;
  }
  return physical_memory();
}

}  // namespace

int64_t available_memory() { return std::min(available_on_machine(), cgroup_memory_left()); }

int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t total_pages = 0, resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return resident_pages * sysconf(_SC_PAGESIZE);
}

int64_t peak_resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

namespace {

// The widest vector instructions of this processor.
std::string simd_name() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bf16")) return "avx512-bf16";
  if (__builtin_cpu_supports("avx512f")) return "avx512";
  if (__builtin_cpu_supports("avx2")) return "avx2";
  return "sse2";
#elif defined(__aarch64__)
  return "neon";
#else
  return "unknown";
#endif
}

}  // namespace

std::string utc_now() {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  int64_t micros = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  std::time_t seconds = micros / 1000000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[64];
  size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + n, sizeof text - n, ".%06dZ", static_cast<int>(micros % 1000000));
  return text;
}

Json machine_json() {
  utsname system{};
  uname(&system);
  return {{"host", system.nodename},
          {"cpu", cpu_name()},
          {"cores", available_cores()},
          {"memory_bytes", physical_memory()},
          {"os", std::string(system.sysname) + " " + system.release},
          {"simd", simd_name()}};
}

Json build_json() {
  return {{"version", LH_VERSION},
          {"commit", LH_COMMIT},
          {"compiler", LH_COMPILER},
          {"flags", LH_FLAGS},
          {"build_type", LH_BUILD_TYPE}};
}

}  // namespace longhaul
