// What the tests of packed data share: files with given bytes, hand-written data sets.
#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/json.h"
#include "support.h"

namespace longhaul {

inline void put(const std::string& path, const std::string& bytes) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

template <class Id>
std::string packed(const std::vector<int64_t>& ids) {
  std::string bytes;
  for (int64_t id : ids) {
    Id narrow = static_cast<Id>(id);
    bytes.append(reinterpret_cast<const char*>(&narrow), sizeof narrow);
  }
  return bytes;
}

class DataTest : public testing::Test {
 protected:
  std::string at(const std::string& name) const { return folder_ / name; }

  // A data set of 16-bit ids and one document, written by hand from the format's description. Returns its folder.
  std::string write_dataset(const std::string& name, const std::vector<int64_t>& ids,
                            const std::vector<int64_t>& shards) {
    std::string folder = at(name);
    int64_t begin = 0;
    for (size_t i = 0; i < shards.size(); ++i) {
      char file[32];
      std::snprintf(file, sizeof file, "/train_%06zu.bin", i);
      put(folder + file, packed<uint16_t>({ids.begin() + begin, ids.begin() + begin + shards[i]}));
      begin += shards[i];
    }
    put(folder + "/train_documents.bin", packed<uint64_t>({0}));
    Json manifest = {{"format", "longhaul tokens 1"},
                     {"tokenizer", "bytes"},
                     {"tokenizer_hash", "none"},
                     {"vocab_size", 65536},
                     {"end_of_text", -1},
                     {"dtype", "uint16"},
                     {"hash", "none"}};
    manifest["splits"]["train"] = {{"tokens", begin}, {"documents", 1}, {"bytes", 10}, {"shards", shards}};
    put(folder + "/manifest.json", manifest.dump());
    return folder;
  }

  TemporaryFolder folder_;
  const std::string root_ = folder_.path();
};

}  // namespace longhaul
