// TensorBoard's event files: scalars over steps. The format is TensorFlow's: TFRecord frames (length u64, masked
// CRC-32C of it, data, masked CRC-32C of that; little-endian) around `Event` messages
// (tensorflow/core/util/event.proto) in protobuf's encoding.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace longhaul {

struct EventScalar {
  std::string tag;  // "train/loss": what is before the first '/' groups charts
  double value;     // stored as a float
};

class EventFile {
 public:
  // Makes events.out.tfevents.<seconds>.<host>.<process> in `folder`, behind those that are there in TensorBoard's
  // order. It begins with a session that starts at `first_step`: TensorBoard then forgets what earlier files say of
  // that step and later ones. Error when the file cannot be made.
  EventFile(const std::string& folder, int64_t first_step);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  // One write(2) of one event. Error on a full disk.
  void add(int64_t step, const std::vector<EventScalar>& scalars);
  const std::string& path() const { return path_; }

 private:
  void append(const std::string& event);

  std::string path_;
  int file_ = -1;
};

}  // namespace longhaul
