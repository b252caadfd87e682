#include "trace/trace-hw_misc_fqaccel.h"
