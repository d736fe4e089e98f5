#include "data/token_files.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <utility>

#include "base/files.h"

namespace longhaul {

namespace {

constexpr const char* kSplits[] = {"train", "val"};

// "edufineweb_val_000000.npy" -> "val"; "" when the name has no such word.
std::string split_named_by(const std::string& path) {
  std::set<std::string> words;
  std::string word;
  for (char c : file_name(path) + ".") {
    if (std::isalpha(static_cast<unsigned char>(c))) {
      word += c;
    } else {
      words.insert(std::exchange(word, ""));
    }
  }
  std::string found;
  for (const char* split : kSplits) {
    if (!words.count(split)) continue;
    check(found.empty(), path, ": wanted a name that says one split, found '", found, "' and '", split, "'");
    found = split;
  }
  return found;
}

// Finds the ids of `file` and returns the name of its format; "" when no format has such an extension.
std::string find_region(TokenFile& file) {
  std::string tried;
  for (const auto& [name, entry] : TokenFormats().entries()) {
    const TokenFormat& format = entry.make;
    if (!file.path.ends_with(format.extension)) continue;
    tried += (tried.empty() ? "" : " or ") + name;
    if (format.one_file_a_split && file_name(file.path) != file.split + format.extension) continue;
    auto map = MappedFile::open(file.path);
    if (auto found = format.find(map->bytes(), file.path)) {
      file.region = *found;
      return name;
    }
  }
  check(tried.empty(), file.path, ": wanted a shard of ", tried, ", found other bytes");
  return "";
}

}  // namespace

Registry<TokenFormat>& TokenFormats() {
  static Registry<TokenFormat> registry("token format");
  return registry;
}

TokenConvention token_convention(int width) {
  return width == 2 ? TokenConvention{50'257, 50'256} : TokenConvention{128'256, 128'000};
}

TokenFolder find_token_files(const std::string& folder) {
  TokenFolder found;
  for (const std::string& path : list_files(folder)) {
    if (path != path_join(folder, file_name(path))) continue;  // below it, and another data set's
    TokenFile file{path, split_named_by(path), {}};
    if (file.split.empty()) continue;
    std::string format = find_region(file);
    if (format.empty()) continue;
    if (found.format.empty()) found.format = format;
    check(format == found.format, path, ": wanted ", found.format, " like the files before it, found ", format);
    found.files.push_back(file);
    int width = found.files.front().region.width;
    check(file.region.width == width, path, ": wanted ids of ", width, " bytes like the files before it, found ",
          file.region.width);
  }
  std::stable_sort(found.files.begin(), found.files.end(),
                   [](const TokenFile& a, const TokenFile& b) { return a.split < b.split; });
  return found;
}

}  // namespace longhaul
