#include "train/stop_signal.h"

#include <csignal>
#include <iterator>

namespace longhaul {

namespace {

constexpr int kStops[] = {SIGINT, SIGTERM, SIGUSR1, SIGHUP};
constexpr int kSignals = 5;  // these, and SIGXFSZ
constexpr int kHangUp = 3;   // its place

volatile std::sig_atomic_t received_signal = 0;
struct sigaction before[kSignals];

void note_signal(int signal) {
  if (signal == SIGINT && received_signal == SIGINT) {
    std::signal(SIGINT, SIG_DFL);
    std::raise(SIGINT);
  }
  received_signal = signal;
}

}  // namespace

StopSignals::StopSignals() {
  received_signal = 0;
  struct sigaction action = {};
  sigemptyset(&action.sa_mask);
  action.sa_handler = note_signal;
  action.sa_flags = SA_RESTART;
  for (size_t i = 0; i < std::size(kStops); ++i) sigaction(kStops[i], &action, &before[i]);
  if (before[kHangUp].sa_handler == SIG_IGN) sigaction(SIGHUP, &before[kHangUp], nullptr);
  action.sa_handler = SIG_IGN;
  sigaction(SIGXFSZ, &action, &before[kSignals - 1]);
}

StopSignals::~StopSignals() {
  for (size_t i = 0; i < std::size(kStops); ++i) sigaction(kStops[i], &before[i], nullptr);
  sigaction(SIGXFSZ, &before[kSignals - 1], nullptr);
}

std::string StopSignals::received() const {
  switch (received_signal) {
    case SIGINT: return "SIGINT";
    case SIGTERM: return "SIGTERM";
    case SIGUSR1: return "SIGUSR1";
    case SIGHUP: return "SIGHUP";
    default: return "";
  }
}

void StopSignals::stop(const std::string& left) const { throw Interrupted("stopped by " + received() + "; " + left); }

void StopSignals::stop_if_received(const std::string& left) const {
  if (!received().empty()) stop(left);
}

}  // namespace longhaul
