# What a result file says about the build: generated/version.h and commit.h. Rewritten only when they change.
set(lh_commit_header "${CMAKE_BINARY_DIR}/generated/commit.h")
add_custom_target(lh_commit BYPRODUCTS "${lh_commit_header}" VERBATIM
  COMMAND "${CMAKE_COMMAND}" "-DSOURCE=${CMAKE_SOURCE_DIR}" "-DOUTPUT=${lh_commit_header}"
          -P "${CMAKE_SOURCE_DIR}/cmake/Commit.cmake")
set(lh_flags "${CMAKE_CXX_FLAGS}")
if(CMAKE_BUILD_TYPE)
  string(TOUPPER "${CMAKE_BUILD_TYPE}" lh_type)
  string(APPEND lh_flags " ${CMAKE_CXX_FLAGS_${lh_type}}")
endif()
string(STRIP "${lh_flags}" lh_flags)
file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/generated/version.h" @ONLY CONTENT
"#pragma once
#include \"commit.h\"
#define LH_VERSION \"@PROJECT_VERSION@\"
#define LH_COMPILER \"@CMAKE_CXX_COMPILER_ID@ @CMAKE_CXX_COMPILER_VERSION@\"
#define LH_FLAGS \"@lh_flags@\"
#define LH_BUILD_TYPE \"@CMAKE_BUILD_TYPE@\"
")
