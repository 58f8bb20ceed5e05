package kvshuttle

// argsort returns, in order's memory, the indices that sort xs in increasing order, NaNs last,
// with ties in the order in which numpy's default sort leaves them: quicksort by the median of three, insertion sort
// below 17 elements, the smaller part first. Which channel or token wins a tie reaches payloads.
func argsort(order []int, xs []float32) []int {
	order = grow(order, len(xs))
	for i := range order {
		order[i] = i
	}
	s := sorter{xs, order}
	s.sort(0, len(xs)-1)
	return order
}

type sorter struct {
	xs    []float32
	order []int
}

// less orders numbers before NaNs.
func less(a, b float32) bool { return a < b || (b != b && a == a) }

func (s sorter) at(i int) float32 { return s.xs[s.order[i]] }

func (s sorter) swap(i, j int) { s.order[i], s.order[j] = s.order[j], s.order[i] }

func (s sorter) sort(lo, hi int) {
	for hi-lo > 16 {
		mid := s.partition(lo, hi)
		if mid-lo < hi-mid {
			s.sort(lo, mid-1)
			lo = mid + 1
		} else {
			s.sort(mid+1, hi)
			hi = mid - 1
		}
	}
	for i := lo + 1; i <= hi; i++ {
		v := s.order[i]
		j := i
		for j > lo && less(s.xs[v], s.at(j-1)) {
			s.order[j] = s.order[j-1]
			j--
		}
		s.order[j] = v
	}
}

func (s sorter) partition(lo, hi int) int {
	mid := lo + (hi-lo)/2
	if less(s.at(mid), s.at(lo)) {
		s.swap(mid, lo)
	}
	if less(s.at(hi), s.at(mid)) {
		s.swap(hi, mid)
	}
	if less(s.at(mid), s.at(lo)) {
		s.swap(mid, lo)
	}
	pivot := s.at(mid)
	i, j := lo, hi-1
	s.swap(mid, j)
	for {
		for i++; less(s.at(i), pivot); i++ {
		}
		for j--; less(pivot, s.at(j)); j-- {
		}
		if i >= j {
			break
		}
		s.swap(i, j)
	}
	s.swap(i, hi-1)
	return i
}
