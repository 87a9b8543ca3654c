package main

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
)

func node(uid string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "w1", UID: types.UID(uid)},
		Spec:       corev1.NodeSpec{PodCIDR: "10.42.1.0/24"},
	}
}

// watched starts to watch the lease of the node with the UID 1.
func watched(ctx context.Context, client kubernetes.Interface) chan error {
	lost := make(chan error, 1)
	go func() { lost <- waitForLoss(ctx, client, node("1")) }()
	return lost
}

func mustBeLost(t *testing.T, lost chan error) {
	t.Helper()
	select {
	case err := <-lost:
		if err == nil || !strings.Contains(err.Error(), "node w1 was deleted") {
			t.Fatalf("lost for another reason: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the loss was not seen")
	}
}

func TestANodeThatIsDeletedIsLost(t *testing.T) {
	client := fake.NewClientset(node("1"))
	lost := watched(t.Context(), client)
	// A change of the node is none, and shows that the watch runs.
	changed := node("1")
	changed.Labels = map[string]string{"a": "b"}
	if _, err := client.CoreV1().Nodes().Update(t.Context(), changed, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-lost:
		t.Fatalf("lost while it is there: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	if err := client.CoreV1().Nodes().Delete(t.Context(), "w1", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	mustBeLost(t, lost)
}

func TestANodeThatWasMadeAnewBeforeItWasWatchedIsLost(t *testing.T) {
	mustBeLost(t, watched(t.Context(), fake.NewClientset(node("2"))))
}

func TestANodeThatIsGoneBeforeItIsWatchedIsLost(t *testing.T) {
	mustBeLost(t, watched(t.Context(), fake.NewClientset()))
}

func TestTheEndIsNoLoss(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	lost := watched(ctx, fake.NewClientset(node("1")))
	cancel()
	if err := <-lost; err != nil && strings.Contains(err.Error(), "deleted") {
		t.Fatal(err)
	}
}
