// The check values of the Cable spec, section 3.2, to the digits printed there.
#include "train/schedule.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "base/error.h"

namespace longhaul {
namespace {

std::string six_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6e", value);
  return text;
}

TEST(Schedule, SpecValues) {
  Schedule schedule;
  EXPECT_EQ(six_digits(schedule.lr(0)), "8.391608e-07");
  EXPECT_EQ(schedule.lr(714), 6e-4);
  EXPECT_EQ(schedule.lr(715), 6e-4);
  EXPECT_EQ(six_digits(schedule.lr(5000)), "5.306038e-04");
  EXPECT_NEAR(schedule.lr(9894), 3.3e-4, 1e-18);
  EXPECT_EQ(six_digits(schedule.lr(15000)), "1.229734e-04");
  EXPECT_EQ(six_digits(schedule.lr(19072)), "6.000000e-05");
  EXPECT_EQ(schedule.lr(19074), 6e-5);
  EXPECT_EQ(schedule.lr(1'000'000), 6e-5);
}

TEST(Schedule, WithoutWarmUpStartsAtTheTop) {
  Schedule schedule{1e-3, 1e-4, 0, 100};
  EXPECT_EQ(schedule.lr(0), 1e-3);
  EXPECT_NEAR(schedule.lr(50), 5.5e-4, 1e-15);
  EXPECT_NEAR(schedule.lr(100), 1e-4, 1e-15);
}

TEST(Schedule, RejectsWhatCannotBe) {
  EXPECT_THROW((Schedule{1e-3, 1e-4, 100, 100}.validate()), Error);
  EXPECT_THROW((Schedule{1e-3, 2e-3, 10, 100}.validate()), Error);
  EXPECT_THROW((Schedule{0, 0, 10, 100}.validate()), Error);
  EXPECT_THROW((Schedule{1e-3, 1e-4, 0, 0}.validate()), Error);
  EXPECT_NO_THROW(Schedule{}.validate());
}

}  // namespace
}  // namespace longhaul
