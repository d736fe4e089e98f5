#include "io/event_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"

namespace longhaul {

namespace {

constexpr char kPrefix[] = "events.out.tfevents.";

// Little-endian bytes of a number.
template <class Value>
std::string bytes_of(Value value) {
  static_assert(std::endian::native == std::endian::little);
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

// ---- protobuf's wire format: a key is (number of the field << 3) + type ------------------------------------------
constexpr char kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;

std::string key(int field, char type) { return std::string(1, static_cast<char>(field << 3 | type)); }

std::string varint(uint64_t value) {
  std::string text;
  for (; value >= 0x80; value >>= 7) text += static_cast<char>(value | 0x80);
  return text + static_cast<char>(value);
}

std::string bytes_field(int field, const std::string& bytes) {
  return key(field, kBytes) + varint(bytes.size()) + bytes;
}

// An Event: wall_time = 1, step = 2, and one of file_version = 3, summary = 5, session_log = 7.
std::string event(int64_t step, int field, const std::string& content) {
  using namespace std::chrono;
  const double now = duration<double>(system_clock::now().time_since_epoch()).count();
  return key(1, kFixed64) + bytes_of(now) + key(2, kVarint) + varint(static_cast<uint64_t>(step)) +
         bytes_field(field, content);
}

// TFRecord's: sums of data that hold sums themselves would be weak.
uint32_t masked(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8u; }

// TensorBoard reads a folder's files in the order of their names, which begin with ten digits of seconds.
int64_t next_stamp(const std::string& folder) {
  int64_t stamp = std::time(nullptr);
  std::error_code ignored;  // a folder that cannot be listed is an error when the file is made in it
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kPrefix))
      stamp = std::max<int64_t>(stamp, std::atoll(name.c_str() + std::strlen(kPrefix)) + 1);
  }
  return stamp;
}

std::string new_name(const std::string& folder) {
  char host[256] = "localhost", name[sizeof host + 96];
  ::gethostname(host, sizeof host - 1);
  std::snprintf(name, sizeof name, "%s%010lld.%s.%d", kPrefix, static_cast<long long>(next_stamp(folder)), host,
                static_cast<int>(::getpid()));
  return path_join(folder, name);
}

}  // namespace

EventFile::EventFile(const std::string& folder, int64_t first_step) : path_(new_name(folder)) {
  file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
  check(file_ >= 0, path_, ": cannot make: ", std::strerror(errno));
  append(event(0, 3, "brain.Event:2"));
  const std::string start = key(1, kVarint) + varint(1);  // SessionLog: status = 1, START = 1
  append(event(first_step, 7, start));
}

EventFile::~EventFile() {
  if (file_ >= 0) ::close(file_);
}

void EventFile::add(int64_t step, const std::vector<EventScalar>& scalars) {
  std::string summary;  // of Value = 1: tag = 1, simple_value = 2
  for (const EventScalar& scalar : scalars)
    summary +=
        bytes_field(1, bytes_field(1, scalar.tag) + key(2, kFixed32) + bytes_of(static_cast<float>(scalar.value)));
  append(event(step, 5, summary));
}

void EventFile::append(const std::string& event) {
  const std::string length = bytes_of<uint64_t>(event.size());
  const std::string record = length + bytes_of(masked(crc32c(length))) + event + bytes_of(masked(crc32c(event)));
  const ssize_t written = ::write(file_, record.data(), record.size());
  check(written == static_cast<ssize_t>(record.size()), path_,
        ": cannot write: ", written < 0 ? std::strerror(errno) : "no space left on the device");
}

}  // namespace longhaul
