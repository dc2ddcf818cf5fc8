// Package clock tells two times. Wall is what the system's clock says; it may be set at any moment, by a person or by NTP.
// Steady goes on at an even pace whatever is set. What is measured, waited for or compared within this process goes by
// Steady, or by the difference of two times of time.Now, which Go measures in the same way; what is told to others, and what
// outlives the process, is Wall.
package clock

import "time"

var (
	began = time.Now()
	wall  = time.Now
)

// Wall is the system's time, without the steady reading that time.Now adds: differences between two show what was set.
func Wall() time.Time { return wall().Round(0) }

// Steady is nanoseconds since 1970 as the system's clock had it when the process began, counted on from there.
func Steady() int64 { return began.UnixNano() + int64(time.Since(began)) }

// WallOf is when, by the system's clock as it is set now, Steady was so: what happened within this process, as others are told of it.
func WallOf(steady int64) time.Time { return Wall().Add(time.Duration(steady - Steady())) }

// SetWall makes Wall tell another time, in tests of a clock that jumps. It is to be called before anything else runs.
func SetWall(f func() time.Time) { wall = f }
