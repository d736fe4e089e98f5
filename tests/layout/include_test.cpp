// Who may include whom. One arrow the wrong way, and a layer can no longer be understood, tested or replaced alone.
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "layout/source_tree.h"

namespace longhaul {
namespace {

using Names = std::set<std::string>;

const Names kPlainLayers = {"base", "io", "text", "data", "journal", "report"};

// layer -> the layers it may include besides itself. Layers on the left know nothing of those on the right.
const std::map<std::string, Names>& allowed() {
  static const std::map<std::string, Names> arrows = [] {
    std::map<std::string, Names> all = {{"base", {}},
                                        {"io", {"base"}},
                                        {"text", {"base", "io"}},
                                        {"data", {"base", "io", "text"}},
                                        {"journal", {"base"}},
                                        {"report", {"base", "journal"}},
                                        {"ops", {"base"}},
                                        {"pos", {"base", "ops"}},
                                        {"methods", {"base", "ops", "pos"}},
                                        {"nn", {"base", "ops", "pos", "methods"}},
                                        {"dist", {"base", "ops"}},
                                        {"models", {"base", "io", "text", "ops", "pos", "methods", "nn"}}};
    Names below = {"base", "io", "text", "data", "journal", "ops", "pos", "methods", "nn", "dist", "models"};
    for (const char* layer : {"engine", "train", "eval", "serve", "bench", "cli"}) {
      all[layer] = below;
      below.insert(layer);
    }
    all["train"].erase("engine");  // they are neighbours
    all["cli"].insert("report");
    return all;
  }();
  return arrows;
}

struct Include {
  std::string name;
  bool quoted;
  int line;
};

std::vector<Include> includes_of(const TreeFile& file) {
  static const std::regex pattern(R"re(^\s*#\s*include\s*([<"])([^>"]+)[>"])re");
  std::vector<Include> found;
  int number = 0;
  for (const std::string& line : split(file.text, '\n')) {
    ++number;
    std::smatch match;
    if (std::regex_search(line, match, pattern)) found.push_back({match[2], match[1] == "\"", number});
  }
  return found;
}

// The angled includes that `path` reaches through our own headers.
const Names& reached_from(const std::string& path) {
  static std::map<std::string, Names> known;
  auto [entry, is_new] = known.try_emplace(path);
  if (!is_new) return entry->second;
  Names reached;
  for (const TreeFile& file : source_tree()) {
    if (file.path != path) continue;
    for (const Include& include : includes_of(file)) {
      if (!include.quoted) {
        reached.insert(include.name);
      } else if (const Names& more = reached_from("src/" + include.name); true) {
        reached.insert(more.begin(), more.end());
      }
    }
  }
  return known[path] = reached;
}

bool is_torch(const std::string& name) {
  return name.starts_with("ATen/") || name.starts_with("torch/") || name.starts_with("c10/");
}
bool is_log(const std::string& name) { return name.starts_with("spdlog/") || name.starts_with("fmt/"); }

TEST(Include, ArrowsPointOneWay) {
  for (const TreeFile& file : source_tree()) {
    if (!file.is_code() || !file.is_under("src/")) continue;
    const std::string layer = layer_of(file.path);
    if (layer.empty()) continue;  // the precompiled header
    if (allowed().count(layer) == 0) {
      ADD_FAILURE() << file.path << ": no such layer in the design";
      continue;
    }
    for (const Include& include : includes_of(file)) {
      if (!include.quoted || include.name == "version.h") continue;
      const std::string other = split(include.name, '/').front();
      bool good = other == layer || allowed().at(layer).count(other) != 0;
      EXPECT_TRUE(good) << file.path << ":" << include.line << ": " << layer << " must not include " << include.name;
    }
  }
}

TEST(Include, QuotedNamesAreFilesOfOurs) {
  Names ours = {"version.h"};
  for (const TreeFile& file : source_tree()) {
    if (file.is_under("src/")) ours.insert(file.path.substr(4));
  }
  for (const TreeFile& file : source_tree()) {
    if (!file.is_code() || !file.is_under("src/")) continue;
    for (const Include& include : includes_of(file)) {
      EXPECT_TRUE(!include.quoted || ours.count(include.name) != 0)
          << file.path << ":" << include.line << ": wanted a path below src/, found \"" << include.name << "\"";
    }
  }
}

// The plain half is what sanitizers, fuzzers and clang build without LibTorch; the two halves hold different versions of fmt.
TEST(Include, TorchAndTheLoggerNeverMeet) {
  for (const TreeFile& file : source_tree()) {
    if (!file.is_code() || !file.is_under("src/")) continue;
    const bool plain = kPlainLayers.count(layer_of(file.path)) != 0 || file.path.ends_with(".cu");
    for (const std::string& name : reached_from(file.path)) {
      EXPECT_FALSE(plain && is_torch(name)) << file.path << " reaches <" << name << ">: it must do without LibTorch";
      EXPECT_FALSE(!plain && is_log(name)) << file.path << " reaches <" << name << ">: log through base/log.h";
    }
  }
}

// Each costs 20 s a file (docs/architecture.md, "Build").
TEST(Include, NoUmbrellaHeaders) {
  const Names umbrellas = {"torch/torch.h", "torch/all.h", "torch/extension.h", "ATen/ATen.h", "ATen/Functions.h"};
  for (const TreeFile& file : source_tree()) {
    if (!file.is_code()) continue;
    for (const Include& include : includes_of(file)) {
      EXPECT_EQ(umbrellas.count(include.name), 0u) << file.path << ":" << include.line << ": <" << include.name << ">";
    }
  }
}

// A file is added by adding it: no list names sources but the globs, and every folder with sources has its glob.
TEST(Include, SourcesAreGlobbed) {
  const Names named_on_purpose = {"src/pch.cpp", "src/pch.h", "src/cli/main.cpp"};
  const std::regex source(R"(\b(src|tests|bench|fuzz)/[\w/]+\.(cpp|cu|h)\b)");
  std::string build;
  for (const TreeFile& file : source_tree()) {
    if (!file.path.ends_with("CMakeLists.txt") && !file.path.ends_with(".cmake")) continue;
    build += file.text;
    for (auto it = std::sregex_iterator(file.text.begin(), file.text.end(), source); it != std::sregex_iterator();
         ++it) {
      EXPECT_EQ(named_on_purpose.count(it->str()), 1u) << file.path << " names " << it->str() << ": glob it";
    }
  }
  for (const TreeFile& file : source_tree()) {
    if (!file.is_under("src/") || !file.path.ends_with(".cpp") || layer_of(file.path).empty()) continue;
    const std::string glob = "src/" + layer_of(file.path) + "/*.cpp";
    EXPECT_NE(build.find(glob), std::string::npos) << file.path << ": no CMake file globs " << glob;
  }
}

}  // namespace
}  // namespace longhaul
