// An independent little reader of TensorBoard's event files, and what TensorBoard shows of a folder of them.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support.h"

namespace longhaul {

struct ReadEvent {
  double wall_time = 0;
  uint64_t step = 0;
  std::string file_version;
  bool starts_session = false;
  std::vector<std::pair<std::string, float>> scalars;
};

// Bit by bit from the polynomial.
inline uint32_t slow_crc32c(std::string_view bytes) {
  uint32_t crc = 0xffffffff;
  for (unsigned char byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1;
  }
  return crc ^ 0xffffffff;
}

// Takes numbers and protobuf fields off the front of `bytes`; running out is an Error.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  std::string_view take(size_t count) {
    check(count <= bytes_.size(), "event file: cut short");
    std::string_view front = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return front;
  }
  template <class Value>
  Value number() {
    Value value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = number<unsigned char>();
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
  }
  std::string_view bytes() { return take(varint()); }

 private:
  std::string_view bytes_;
};

inline std::pair<std::string, float> read_value(std::string_view bytes) {
  std::pair<std::string, float> value;
  for (WireReader reader(bytes); !reader.empty();) {
    const uint64_t key = reader.varint();
    check(key == 0x0a || key == 0x15, "event file: Value has an unknown key ", key);
    if (key == 0x0a)
      value.first = reader.bytes();
    else
      value.second = reader.number<float>();
  }
  return value;
}

inline ReadEvent read_event(std::string_view bytes) {
  ReadEvent event;
  for (WireReader reader(bytes); !reader.empty();) {
    switch (const uint64_t key = reader.varint(); key) {
      case 1 << 3 | 1: event.wall_time = reader.number<double>(); break;
      case 2 << 3 | 0: event.step = reader.varint(); break;
      case 3 << 3 | 2: event.file_version = reader.bytes(); break;
      case 5 << 3 | 2:
        for (WireReader summary(reader.bytes()); !summary.empty();) {
          check(summary.varint() == 0x0a, "event file: Summary has an unknown key");
          event.scalars.push_back(read_value(summary.bytes()));
        }
        break;
      case 7 << 3 | 2: event.starts_session = reader.bytes() == "\x08\x01"; break;
      default: fail("event file: Event has an unknown key ", key);
    }
  }
  return event;
}

inline std::vector<ReadEvent> read_events(const std::string& path) {
  auto unmasked = [](uint32_t masked) {
    const uint32_t rotated = masked - 0xa282ead8;
    return rotated << 15 | rotated >> 17;
  };
  const std::string file = read_file(path);
  std::vector<ReadEvent> events;
  for (WireReader reader(file); !reader.empty();) {
    const std::string_view length = reader.take(8);
    check(unmasked(reader.number<uint32_t>()) == slow_crc32c(length), path, ": wrong checksum of a length");
    const std::string_view data = reader.take(WireReader(length).number<uint64_t>());
    check(unmasked(reader.number<uint32_t>()) == slow_crc32c(data), path, ": wrong checksum of an event");
    events.push_back(read_event(data));
  }
  return events;
}

inline std::vector<std::string> event_files(const std::string& folder) {
  std::vector<std::string> paths = list_files(folder);
  std::erase_if(paths, [](const std::string& path) { return !contains(path, "/events.out.tfevents."); });
  return paths;
}

// tag -> (step, value) in TensorBoard's order: files by name; a session that starts makes it forget that step and later
// ones.
inline std::map<std::string, std::vector<std::pair<uint64_t, float>>> shown_by_tensorboard(const std::string& folder) {
  std::map<std::string, std::vector<std::pair<uint64_t, float>>> shown;
  for (const std::string& path : event_files(folder)) {
    for (const ReadEvent& event : read_events(path)) {
      for (auto& [tag, points] : shown)
        if (event.starts_session) std::erase_if(points, [&](const auto& point) { return point.first >= event.step; });
      for (const auto& [tag, value] : event.scalars) shown[tag].emplace_back(event.step, value);
    }
  }
  return shown;
}

}  // namespace longhaul
