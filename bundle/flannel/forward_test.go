package main

import "testing"

func TestPolicyDrops(t *testing.T) {
	for _, test := range []struct {
		name  string
		rules []string
		drops bool
	}{
		{"Docker", []string{"-P FORWARD DROP", "-A FORWARD -j DOCKER-USER", "-A FORWARD -j DOCKER-FORWARD"}, true},
		{"nobody", []string{"-P FORWARD ACCEPT"}, false},
		{"a rule of the same words", []string{"-P FORWARD ACCEPT", `-A FORWARD -m comment --comment "-P FORWARD DROP"`}, false},
		{"no such chain", nil, false},
	} {
		if got := policyDrops(test.rules); got != test.drops {
			t.Errorf("%s: policyDrops(%q) = %v", test.name, test.rules, got)
		}
	}
}
