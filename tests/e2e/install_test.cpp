// What `make install` leaves: a program that runs anywhere, and a package that others compile against (docs/library.md).
#include <ATen/ops/tensor.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "models/models.h"
#include "nn/forward.h"
#include "support.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;

// What `command` prints, from an empty environment in the root folder. Its failure is the test's.
std::string output_of(const std::string& command) {
  std::string text, line = "cd / && env -i PATH=\"$PATH\" " + command + " 2>&1";
  FILE* pipe = popen(line.c_str(), "r");
  for (int byte; (byte = std::fgetc(pipe)) != EOF;) text += static_cast<char>(byte);
  int status = pclose(pipe);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << command << "\n" << text;
  return text;
}

class InstallTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = new TemporaryFolder;
    const fs::path build = fs::path(LH_PROGRAM).parent_path().parent_path();
    output_of("cmake --install '" + build.string() + "' --prefix '" + prefix() + "'");
  }
  static void TearDownTestSuite() { delete scratch_; }
  static std::string prefix() { return *scratch_ / "prefix"; }

  static TemporaryFolder* scratch_;
};

TemporaryFolder* InstallTest::scratch_ = nullptr;

TEST_F(InstallTest, ProgramRunsAnywhere) {
  const std::string program = prefix() + "/bin/longhaul";
  EXPECT_TRUE(contains(output_of(program + " list encodings"), "rope"));
  // The library that it loads is the installed one.
  const std::string loaded = output_of("LD_DEBUG=files " + program + " --version");
  EXPECT_TRUE(contains(loaded, "calling init: " + prefix() + "/")) << loaded;
}

TEST_F(InstallTest, OthersCompileAgainstIt) {
  ModelOptions options;
  options.vocab = 257;
  options.trained_length = 48;
  auto model = create_model("gpt:layers=1,width=16,heads=2", options);
  const std::string folder = *scratch_ / "consumer", run = *scratch_ / "run", build = folder + "/build";
  save_model(*model, run);
  make_folders(folder);
  output_of("awk -v folder='" + folder +
            "' -f " LH_SOURCE_DIR "/tools/extract_code.awk " LH_SOURCE_DIR "/docs/library.md");
  output_of("cmake -G Ninja -S '" + folder + "' -B '" + build + "' -DCMAKE_PREFIX_PATH='" + prefix() + "'");
  output_of("cmake --build '" + build + "'");

  const std::string text = "A text.";
  std::vector<int64_t> bytes(text.begin(), text.end());
  const int64_t count = static_cast<int64_t>(bytes.size()) - 1;
  Tensor tokens = at::tensor(bytes);
  double loss =
      -score_tokens(*model, tokens.narrow(0, 0, count), tokens.narrow(0, 1, count), Sequences::whole({count}), {})
           .log_prob.mean()
           .item<double>();
  char wanted[80];
  std::snprintf(wanted, sizeof wanted, "%.6f nats a byte; trained at 48\n", loss);
  EXPECT_EQ(output_of("'" + build + "/score' '" + run + "' '" + text + "'"), wanted);
}

}  // namespace
}  // namespace longhaul
