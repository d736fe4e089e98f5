#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <memory>

namespace longhaul {

namespace {

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warning: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
  }
  fail("unknown log level ", static_cast<int>(level));
}

// Never destroyed: static objects may log while the process ends.
spdlog::logger& logger() {
  static auto* const one = [] {
    auto* created = new spdlog::logger("longhaul", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    // On a terminal the line may hold a live Progress: clear it first; it comes back at its next update.
    const std::string clear = isatty(STDERR_FILENO) ? "\r\x1b[K" : "";
    created->set_pattern(clear + "%H:%M:%S %^%l%$ %v");
    return created;
  }();
  return *one;
}

}  // namespace

void log_line(LogLevel level, const std::string& line) { logger().log(level_of(level), spdlog::string_view_t(line)); }

void set_log_level(LogLevel level) { logger().set_level(level_of(level)); }

LogPause::LogPause() : level_(logger().level()) { logger().set_level(spdlog::level::off); }
LogPause::~LogPause() { logger().set_level(static_cast<spdlog::level::level_enum>(level_)); }

}  // namespace longhaul
