// Results, append-only: a folder of JSONL segments, one per writing process (safe on NFS and Lustre), one line per
// sample x cell, flushed when the sample ends. A torn last line is ignored; readers merge by "key". (design section 3)
#pragma once
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"

namespace longhaul {

class Journal {
 public:
  // One thread at a time. Makes the folder if needed, reads the keys of all segments, and starts a segment of its own at the first append.
  static Journal open(const std::string& folder);
  Journal(Journal&&) noexcept;
  ~Journal();

  bool has(const std::string& key) const { return keys_.count(key) != 0; }
  // Record must have a string "key" not yet in the journal. One write(2) of the whole line, then fdatasync: after append()
  // returns, kill -9 cannot lose it. Error on a full disk: the torn line is ignored by readers, the journal stays usable.
  void append(const Json& record);
  // The same for records that end together, with one write and one sync; keys must differ.
  void append_all(std::span<const Json> records);

  // All records of a folder merged by key in a fixed order (segment name, line), the first of a key wins; none for an empty
  // folder. Error "<segment>:<line>: ..." for a broken line that is not the last of its segment.
  static std::vector<Json> read(const std::string& folder);
  static bool is_journal(const std::string& folder);  // has a segment

 private:
  Journal() = default;
  std::string folder_;
  std::set<std::string> keys_;
  int fd_ = -1;
};

}  // namespace longhaul
