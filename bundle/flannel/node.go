package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	watchtools "k8s.io/client-go/tools/watch"
	"k8s.io/klog/v2"
)

func newClient(kubeconfig string) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("cannot use %s: %w", kubeconfig, err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("cannot use %s: %w", kubeconfig, err)
	}
	return client, nil
}

// waitForPodCIDR returns the node when it has its PodCIDR. A node that has just
// registered lacks it for a moment, and taking the lease would fail.
func waitForPodCIDR(ctx context.Context, client kubernetes.Interface, name string) (*corev1.Node, error) {
	var found *corev1.Node
	said := false
	err := wait.PollUntilContextCancel(ctx, podCIDRInterval, true, func(ctx context.Context) (bool, error) {
		node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err == nil && node.Spec.PodCIDR != "" {
			found = node
			return true, nil
		}
		if !said {
			said = true
			klog.Infof("Waiting for the PodCIDR of node %s (%v)", name, err)
		}
		return false, nil
	})
	return found, err
}

// waitForLoss returns when the node of the lease is gone, or another one has
// its name. The lease is gone with it, so the other nodes have taken away their
// routes to this one, and the packages that keep leases take a new one only
// when they start.
func waitForLoss(ctx context.Context, client kubernetes.Interface, lease *corev1.Node) error {
	gone := fmt.Errorf("node %s was deleted, and its lease with it", lease.Name)
	only := fields.OneTermEqualSelector(metav1.ObjectNameField, lease.Name).String()
	nodes := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.FieldSelector = only
			return client.CoreV1().Nodes().List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.FieldSelector = only
			return client.CoreV1().Nodes().Watch(ctx, options)
		},
	}
	there := func(store cache.Store) (bool, error) {
		if _, exists, err := store.GetByKey(lease.Name); err != nil || !exists {
			return false, gone
		}
		return false, nil
	}
	_, err := watchtools.UntilWithSync(ctx, nodes, &corev1.Node{}, there, func(event watch.Event) (bool, error) {
		node, isNode := event.Object.(*corev1.Node)
		if event.Type == watch.Deleted || isNode && node.UID != lease.UID {
			return false, gone
		}
		return false, nil
	})
	return err
}
