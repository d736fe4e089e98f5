// Starts the program, which is a library: what OpenMP reads from the environment when it is loaded is settled before.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

#include "cli/program.h"

namespace {

// How often a thread looks for the others before it sleeps: 0.3 to 1 ms. OpenMP's own 300,000 times are 5 to 15 ms. Where a
// process of another session is busy, Linux may leave all our threads on one core (each session has its share of the machine), and
// those that wait keep those that work from running until the scheduler's slice ends: training took 30 times as long beside one
// such process, with this number 4 times. With fewer, threads sleep between small operations, and waking them costs more.
constexpr const char* kLooks = "20000";

void settle_waiting() {
  if (!std::getenv("OMP_WAIT_POLICY")) setenv("GOMP_SPINCOUNT", kLooks, /*overwrite=*/0);
}

// LibTorch's destructors take its operators off their lists one by one, which is a quarter of what `longhaul --version` takes.
// Sanitizers report behind them.
void leave([[maybe_unused]] int code) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  std::fflush(nullptr);
  std::_Exit(code);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  settle_waiting();
  void* library = dlopen("liblonghaul.so", RTLD_LAZY | RTLD_GLOBAL);
  void* run = library ? dlsym(library, "longhaul_run_program") : nullptr;
  if (!run) {
    std::fprintf(stderr, "longhaul: %s\n", dlerror());
    return 1;
  }
  const int code = reinterpret_cast<decltype(&longhaul_run_program)>(run)(argc, argv);
  leave(code);
  return code;
}
