// Messages to people, on stderr. spdlog stays behind this header: it cannot share a file with LibTorch (two fmt).
#pragma once
#include <string>

#include "base/error.h"

namespace longhaul {

enum class LogLevel { debug, info, warning, error };
void log_line(LogLevel level, const std::string& line);
void set_log_level(LogLevel level);  // messages below it are dropped

// While one lives, messages are dropped: those of what will be done again and says them then.
class LogPause {
 public:
  LogPause();
  ~LogPause();
  LogPause(const LogPause&) = delete;
  LogPause& operator=(const LogPause&) = delete;

 private:
  int level_;
};

template <class... Parts>
void log_debug(const Parts&... parts) {
  log_line(LogLevel::debug, str(parts...));
}
template <class... Parts>
void log_info(const Parts&... parts) {
  log_line(LogLevel::info, str(parts...));
}
template <class... Parts>
void log_warning(const Parts&... parts) {
  log_line(LogLevel::warning, str(parts...));
}

}  // namespace longhaul
