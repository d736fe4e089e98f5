// What the program settles before its libraries are loaded.
#include "program_test.h"

namespace longhaul {
namespace {

using StartTest = ProgramTest;

TEST_F(StartTest, ThreadsWaitAsTheEnvironmentSaysElseAsWeSay) {
  const auto looks = [&](const std::string& environment) {
    const std::string unset = "env -u GOMP_SPINCOUNT -u OMP_WAIT_POLICY OMP_DISPLAY_ENV=verbose ";
    EXPECT_EQ(run_shell(unset + environment + " '" LH_PROGRAM "' --version"), 0) << environment;
    const std::string name = "GOMP_SPINCOUNT = '";
    const size_t at = err_.find(name);
    return at == std::string::npos
               ? err_
               : err_.substr(at + name.size(), err_.find('\'', at + name.size()) - at - name.size());
  };
  EXPECT_EQ(looks(""), "20000");
  EXPECT_EQ(looks("GOMP_SPINCOUNT=7"), "7");
  EXPECT_NE(looks("OMP_WAIT_POLICY=active"), "20000");
}

// What is printed then goes nowhere, and into none of the files that are opened.
TEST_F(StartTest, AClosedDescriptorIsNoFilesDescriptor) {
  write_file(folder_ / "text.txt", std::string(5000, 'x'));
  ASSERT_EQ(run_shell("('" LH_PROGRAM "' data pack text.txt --val-every 0 --out data 2>&-)"), 0) << out_;
  EXPECT_EQ(run("data info data --verify"), 0) << err_;
  EXPECT_EQ(run_shell("('" LH_PROGRAM "' data info data >&-)"), 2);
  EXPECT_TRUE(contains(err_, "standard output cannot be written")) << err_;
}

}  // namespace
}  // namespace longhaul
