// Package mlog stands in for the logging module of the same path, which the module proxy does not serve: the names that the CSI
// driver calls, passed on to klog.
package mlog

import (
	"context"
	"flag"
	"fmt"

	"k8s.io/klog/v2"
)

// LogLevel is how much is logged, as klog's -v.
type LogLevel string

// LogFormat is how a line looks; klog's text is the only one here.
type LogFormat string

const (
	FormatText LogFormat = "text"
	FormatJSON LogFormat = "json"
)

// Setup returns what flushes the log at the end.
func Setup() func() { return klog.Flush }

// ValidateAndSetKlogLevelAndFormatGlobally leaves the level to klog's own flags.
func ValidateAndSetKlogLevelAndFormatGlobally(_ context.Context, _ klog.Level, format LogFormat) error {
	if format != FormatText {
		return fmt.Errorf("log format %q is not built in", format)
	}
	if flag.Lookup("v") == nil {
		return fmt.Errorf("klog's flags are not registered")
	}
	return nil
}

// Error logs a failure and goes on.
func Error(message string, err error, keysAndValues ...any) { klog.ErrorS(err, message, keysAndValues...) }

// Fatal logs a failure and ends the process.
func Fatal(err error) { klog.Fatal(err) }
