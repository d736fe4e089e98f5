// golden_tests [FOLDER]: the folder is the argument, or $LH_GOLDEN, or ../shared/golden beside the sources.
#include <cstdio>
#include <cstdlib>

#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"
#include "golden/golden.h"

namespace longhaul::golden {

namespace {

struct Tally {
  int passed = 0, failed = 0;
  int other = 0;                         // JSON files that are no fixtures: configs, tokenizers
  std::map<std::string, int> unclaimed;  // kind -> fixtures
};

constexpr const char* kVectors = "/vectors.jsonl";  // by which a folder is known to be a tokenizer's

// The JSON of a fixture, which names its kind; null for any other file. Some configs beside the fixtures are not even JSON
// (a bare Infinity), so what cannot be read cannot be a fixture.
Json fixture_info(const std::string& path) {
  if (path.ends_with(kVectors)) {
    std::string folder = path.substr(0, path.size() - std::string(kVectors).size());
    return {{"kind", "tokenizer"}, {"case", file_name(folder)}, {"folder", folder}};
  }
  try {
    Json info = read_json(path);
    if (info.is_object() && info.contains("kind") && info["kind"].is_string()) return info;
  } catch (const Error&) {
  }
  return nullptr;
}

void run(const std::string& path, Tally& tally) {
  Json info = fixture_info(path);
  if (info.is_null()) {
    ++tally.other;
    return;
  }
  std::string kind = info["kind"], tensors = path.substr(0, path.size() - 5) + ".safetensors";
  auto handler = handlers().find(kind);
  if (handler == handlers().end()) {
    ++tally.unclaimed[kind];
    return;
  }
  Report report;
  bool known = true;
  try {
    Fixture fixture{path, info, exists(tensors) ? SafetensorsFile::open(tensors) : SafetensorsFile()};
    known = handler->second(fixture, report);
    if (known && report.comparisons() == 0) report.fail("nothing was compared");
  } catch (const std::exception& error) {
    report.fail(split(error.what(), '\n').front());  // LibTorch appends a stack
  }
  if (!known) {
    const std::string label = info.value("case", info.value("name", "?"));
    ++tally.unclaimed[kind + " " + info.value("/config/pos_method"_json_pointer, label)];
    return;
  }
  bool ok = report.failures().empty();
  std::printf("%s %s %s (%d comparisons)\n", ok ? "ok    " : "FAILED", kind.c_str(),
              info.value("case", info.value("name", path)).c_str(), report.comparisons());
  for (const std::string& failure : report.failures()) std::printf("         %s\n", failure.c_str());
  ++(ok ? tally.passed : tally.failed);
}

int run_all(const std::string& folder) {
  if (!is_folder(folder)) {
    std::printf("golden: wanted a folder of fixtures, found none at %s (make golden GOLDEN=DIR)\n", folder.c_str());
    return 2;
  }
  Tally tally;
  for (const std::string& path : list_files(folder))
    if (path.ends_with(".json") || path.ends_with(kVectors)) run(path, tally);
  int unclaimed = 0;
  for (const auto& [kind, count] : tally.unclaimed) {
    std::printf("no handler yet: %s (%d)\n", kind.c_str(), count);
    unclaimed += count;
  }
  std::printf("golden: %d passed, %d failed, %d of kinds without a handler, %d files that are no fixtures\n",
              tally.passed, tally.failed, unclaimed, tally.other);
  return tally.failed == 0 && tally.passed > 0 ? 0 : 1;
}

}  // namespace

}  // namespace longhaul::golden

int main(int argc, char** argv) {
  const char* variable = std::getenv("LH_GOLDEN");
  try {
    return longhaul::golden::run_all(argc > 1 ? argv[1] : variable ? variable : LH_SOURCE_DIR "/../shared/golden");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "golden: %s\n", error.what());
    return 2;
  }
}
