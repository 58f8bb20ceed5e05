package kern

// An Ahead is a search for the greatest pattern among values that are needed later, which a kernel
// goes on with while it computes, so that they come from memory meanwhile. It is at four places at
// once, since one stream of reads waits at the end of every page. Nil is no search.
type Ahead struct {
	Src  []uint16 // Src[:Left], and what is one, two and three Steps behind, is still to be searched
	Step int
	Left int    // a multiple of 32
	Top  uint16 // the greatest pattern without its sign so far
}

// Begin goes to other values, and returns how many of them, from the first, it is to search: it leaves
// the last few.
func (a *Ahead) Begin(src []uint16) int {
	a.Left = len(src) / 4 &^ 31
	a.Src, a.Step = src, a.Left
	return 4 * a.Left
}

// at returns where kernels that do n values search: nil if there are not so many. The step is in bytes.
func (a *Ahead) at(n int) (src *uint16, step int) {
	if a == nil || n == 0 || 4*a.Left < n {
		return nil, 0
	}
	return &a.Src[0], 2 * a.Step
}

// skip goes on by n values, from all places together, of which top is the greatest pattern.
func (a *Ahead) skip(n int, top uint32) {
	a.Src, a.Left, a.Top = a.Src[n/4:], a.Left-n/4, max(a.Top, uint16(top))
}
