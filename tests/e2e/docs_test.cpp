// Runs every command of the pages: each ```sh block of README.md, CONTRIBUTING.md and docs/**/*.md, page after page, in
// one folder that looks like a fresh clone. Sizes come from tests/e2e/sizes.sh (CONTRIBUTING.md, "Pages").
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/strings.h"
#include "models/models.h"
#include "models/tensor_io.h"
#include "nn/forward.h"
#include "support.h"
#include "text/made_up.h"
#include "toy_checkpoint.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;

const fs::path kSource = LH_SOURCE_DIR;

struct Block {
  int line = 0;  // of its first command
  std::string commands;
};

// The blocks fenced by ```sh ... ```. Other fences (```text, ```console, ```cpp) are shown, not run.
std::vector<Block> shell_blocks(const std::string& page) {
  std::vector<Block> blocks;
  std::istringstream lines(page);
  std::string line, fence;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (!std::string_view(line).starts_with("```")) {
      if (fence == "sh") blocks.back().commands += line + "\n";
    } else if (fence.empty()) {
      fence =
          trim(std::string_view(line).substr(3)).empty() ? "text" : std::string(trim(std::string_view(line).substr(3)));
      if (fence == "sh") blocks.push_back({number + 1, ""});
    } else {
      fence.clear();
    }
  }
  return blocks;
}

// README first: what it trains, the other pages may look at. Results and decisions are records, not instructions.
std::vector<fs::path> pages() {
  std::vector<fs::path> all;
  for (const std::string& path : list_files((kSource / "docs").string())) {
    fs::path page = fs::relative(path, kSource);
    std::string folder = std::next(page.begin())->string();
    if (page.extension() == ".md" && folder != "results" && folder != "decisions") all.push_back(page);
  }
  for (const char* name : {"CONTRIBUTING.md", "README.md"})
    if (fs::exists(kSource / name)) all.insert(all.begin(), name);
  return all;
}

// The checkpoint that the pages speak of with a tokenizer, a chat template, and logits of a reference for it: ours
// here, what is run is the command.
void make_checkpoint(const std::string& folder) {
  at::NoGradGuard off;
  ToyCheckpoint toy = toy_checkpoint("llama", 512);
  toy.config["max_position_embeddings"] = 256;
  toy.write(folder);
  const SortedJson end = {{"content", "<|endoftext|>"}, {"special", true}};
  write_file(path_join(folder, "tokenizer.json"), made_up_json({{"t", "h"}, {"th", "e"}}, {end}).dump());
  write_json(path_join(folder, "tokenizer_config.json"),
             {{"eos_token", "<|endoftext|>"},
              {"chat_template", "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"}});
  const auto model = load_model(folder);
  const Tensor ids = at::arange(20, at::kLong);
  const Head head = model->head();
  const Tensor rows =
      logits(normalize(forward(*model, ids, Sequences::equal(1, 20), {}), head.norm), head.logits).contiguous();
  write_safetensors(path_join(folder, "golden.safetensors"),
                    {to_named("seq0.ids", ids), to_named("seq0.logits", rows)});
}

// What a clone holds, by links; data/, runs/ and build/ are its own.
void make_clone(const fs::path& clone) {
  for (const auto& entry : fs::directory_iterator(kSource)) {
    std::string name = entry.path().filename().string();
    if (name == "data" || name == "runs" || name == "build" || name[0] == '.') continue;
    fs::create_symlink(entry.path(), clone / name);
  }
  fs::create_directories(clone / "build/release/bin");
  fs::create_symlink(kSource / "tests/e2e/longhaul.sh", clone / "build/release/bin/longhaul");
  make_checkpoint((clone / "models/llama").string());
  fs::create_directories(clone / ".bin");
  for (const char* name : {"git", "make"})
    fs::create_symlink(kSource / "tests/e2e" / (std::string(name) + ".sh"), clone / ".bin" / name);
}

std::string script_of(const fs::path& page, const fs::path& clone) {
  std::string script =
      "set -eu\n. tests/e2e/sizes.sh\nexport LH_PROGRAM='" LH_PROGRAM "' LH_TORCH_ROOT='" LH_TORCH_ROOT "'\n";
  script += "export PATH='" + clone.string() + "/.bin:" + clone.string() + "/build/release/bin':\"$PATH\"\n";
  for (const Block& block : shell_blocks(read_file((kSource / page).string())))
    script +=
        str("echo '== ", page.string(), ":", block.line, "'\nset -x\n", block.commands, "{ set +x; } 2>/dev/null\n");
  return script;
}

std::string tail(const std::string& text, size_t length) {
  return text.size() <= length ? text : "..." + text.substr(text.size() - length);
}

TEST(Docs, ShellBlocksAreFoundAndNothingElse) {
  auto blocks = shell_blocks("text\n```sh\na\nb\n```\n```text\nc\n```\n```\nd\n```\n```sh\ne\n```\n");
  ASSERT_EQ(blocks.size(), 2u);
  EXPECT_EQ(blocks[0].line, 3);
  EXPECT_EQ(blocks[0].commands, "a\nb\n");
  EXPECT_EQ(blocks[1].commands, "e\n");
}

TEST(Docs, EveryCommandOfThePagesRuns) {
  TemporaryFolder scratch;
  fs::path clone = scratch.path();
  make_clone(clone);
  for (const fs::path& page : pages()) {
    SCOPED_TRACE(page.string());
    write_file((clone / ".page.sh").string(), script_of(page, clone));
    std::string line = "cd '" + clone.string() + "' && bash .page.sh > .page.log 2>&1 < /dev/null";
    int status = std::system(line.c_str());
    ASSERT_EQ(WEXITSTATUS(status), 0) << tail(read_file((clone / ".page.log").string()), 4000);
  }
}

}  // namespace
}  // namespace longhaul
